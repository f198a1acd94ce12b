import { Module } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import { MercuriusDriver, type MercuriusDriverConfig } from '@nestjs/mercurius';
import { ActivationModule } from '../activation/activation.module.js';
import { InstancesModule } from '../instances/instances.module.js';
import { TokenIssuanceModule } from '../token-issuance/token-issuance.module.js';
import { CloudActivationResolver } from './cloud-activation.resolver.js';
import { CloudConnectorAccessResolver } from './cloud-connector-access.resolver.js';
import { GraphqlController } from './graphql.controller.js';
import { SyncMetrics } from './sync-metrics.js';
import { SeatLinksController } from './seat-links.controller.js';
import { boundedMentions, MAX_DEPTH, MAX_TOKENS, oneSpreadPerFragment } from './graphql-limits.js';

@Module({
  imports: [
    ActivationModule,
    InstancesModule,
    TokenIssuanceModule,
    GraphQLModule.forRoot<MercuriusDriverConfig>({
      driver: MercuriusDriver,
      autoSchemaFile: true,
      // GraphqlController answers `POST /graphql`. Mercurius would also accept a GET, with the key in the URL.
      routes: false,
      graphiql: false,
      jit: 1,
      cache: 100,
      queryDepth: MAX_DEPTH,
      validationRules: [boundedMentions, oneSpreadPerFragment],
      graphql: { parseOptions: { maxLexicalTokens: MAX_TOKENS } },
      // The controller renders errors. Mercurius' formatter would also log them, with their input.
      errorFormatter: ({ data, errors }) => ({
        statusCode: 200,
        response: { data: data ?? null, errors },
      }),
    }),
  ],
  controllers: [GraphqlController, SeatLinksController],
  providers: [CloudActivationResolver, CloudConnectorAccessResolver, SyncMetrics],
})
export class SyncModule {}
