import { Global, Module } from '@nestjs/common';
import { AnswerDeadline } from './answer-deadline.js';
import { NextLink } from './paging.js';

@Global()
@Module({ providers: [AnswerDeadline, NextLink], exports: [AnswerDeadline, NextLink] })
export class HttpModule {}
