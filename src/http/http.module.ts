import { Global, Module } from '@nestjs/common';
import { AnswerDeadline } from './answer-deadline.js';
import { ErrorDocsController } from './error-docs.controller.js';
import { NextLink } from './paging.js';

@Global()
@Module({
  controllers: [ErrorDocsController],
  providers: [AnswerDeadline, NextLink],
  exports: [AnswerDeadline, NextLink],
})
export class HttpModule {}
