import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common';
import { isUuid } from '../domain/uuid.js';
import { IssuerError } from '../platform/issuer-error.js';

/** The id in a path. Without a UUID nothing can be found. */
@Injectable()
export class UuidParam implements PipeTransform<string, string> {
  transform(value: string, metadata: ArgumentMetadata): string {
    if (isUuid(value)) return value.toLowerCase();
    throw new IssuerError('NOT_FOUND', `There is none with this ${metadata.data ?? 'id'}.`);
  }
}
