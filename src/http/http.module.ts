import { Global, Module } from '@nestjs/common';
import { AnswerDeadline } from './answer-deadline.js';
import { ErrorDocsController } from './error-docs.controller.js';
import { FailedLookUps } from './failed-look-ups.js';
import { NextLink } from './paging.js';

@Global()
@Module({
  controllers: [ErrorDocsController],
  providers: [AnswerDeadline, FailedLookUps, NextLink],
  exports: [AnswerDeadline, FailedLookUps, NextLink],
})
export class HttpModule {}
