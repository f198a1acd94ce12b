import { Module } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import { MercuriusDriver, type MercuriusDriverConfig } from '@nestjs/mercurius';
import { TokenIssuanceModule } from '../token-issuance/token-issuance.module.js';
import { CloudConnectorAccessResolver } from './cloud-connector-access.resolver.js';
import { FailedLookUps } from './failed-look-ups.js';
import { GraphqlController } from './graphql.controller.js';
import { MAX_DEPTH, MAX_TOKENS, oneSyncPerRequest } from './graphql-limits.js';

@Module({
  imports: [
    TokenIssuanceModule,
    GraphQLModule.forRoot<MercuriusDriverConfig>({
      driver: MercuriusDriver,
      autoSchemaFile: true,
      // Ours answers `POST /graphql`; Mercurius would also take a GET, with the key in the URL.
      routes: false,
      graphiql: false,
      jit: 1,
      cache: 100,
      queryDepth: MAX_DEPTH,
      validationRules: [oneSyncPerRequest],
      graphql: { parseOptions: { maxLexicalTokens: MAX_TOKENS } },
      // The controller renders errors; Mercurius' own formatter also logs them, with their input.
      errorFormatter: ({ data, errors }) => ({
        statusCode: 200,
        response: { data: data ?? null, errors },
      }),
    }),
  ],
  controllers: [GraphqlController],
  providers: [CloudConnectorAccessResolver, FailedLookUps],
})
export class SyncModule {}
