import { Injectable } from '@nestjs/common';

/** The one place where the service reads the wall clock; a use case asks it once per request. */
@Injectable()
export class Clock {
  now(): Date {
    return new Date();
  }
}
