import { Global, Module } from '@nestjs/common';
import { AnswerDeadline } from './answer-deadline.js';
import { ErrorDocsController } from './error-docs.controller.js';
import { FailedLookUps } from './failed-look-ups.js';
import { NextLink } from './paging.js';
import { NoteSubject } from './request-subject.js';

@Global()
@Module({
  controllers: [ErrorDocsController],
  providers: [AnswerDeadline, FailedLookUps, NextLink, NoteSubject],
  exports: [AnswerDeadline, FailedLookUps, NextLink, NoteSubject],
})
export class HttpModule {}
