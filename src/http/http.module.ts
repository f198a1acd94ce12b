import { Global, Module } from '@nestjs/common';
import { AnswerDeadline } from './answer-deadline.js';

@Global()
@Module({ providers: [AnswerDeadline], exports: [AnswerDeadline] })
export class HttpModule {}
