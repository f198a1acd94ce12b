import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { TokenIssuanceModule } from '../token-issuance/token-issuance.module.js';
import { AllowedToUse } from './allowed-to-use.js';
import { IssueSelfIssuedToken } from './issue-self-issued-token.js';
import { SelfIssuedSubjectRepository } from './self-issued-subject.repository.js';
import { SelfIssuedTokensController } from './self-issued-tokens.controller.js';

@Module({
  imports: [AccessControlModule, TokenIssuanceModule],
  controllers: [SelfIssuedTokensController],
  providers: [AllowedToUse, IssueSelfIssuedToken, SelfIssuedSubjectRepository],
})
export class SelfIssuedTokensModule {}
