import { type DynamicModule, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { DataSourceOptions } from 'typeorm';
import { AccessControlModule } from './access-control/access-control.module.js';
import { ActivationModule } from './activation/activation.module.js';
import { SEALED_CANCELLATION_KEYS } from './activation/cancellation-keys.js';
import { AddOnPurchasesModule } from './add-on-purchases/add-on-purchases.module.js';
import {
  SEALED_AUXILIARY_KEYS,
  SEALED_AUXILIARY_KIDS,
} from './auxiliary-keys/auxiliary-key.repository.js';
import { AuxiliaryKeysModule } from './auxiliary-keys/auxiliary-keys.module.js';
import { CatalogModule } from './catalog/catalog.module.js';
import type { LoadedCatalog } from './catalog/load-catalog.js';
import { DatabaseModule } from './database/database.module.js';
import { EntitlementsModule } from './entitlements/entitlements.module.js';
import { HttpModule } from './http/http.module.js';
import { LedgerModule } from './ledger/ledger.module.js';
import { SealingModule } from './sealing/sealing.module.js';
import { InstanceHealthModule } from './instance-health/instance-health.module.js';
import { InstancesModule } from './instances/instances.module.js';
import { SEALED_LICENSE_KEYS } from './licenses/license.repository.js';
import { LedgerAuditModule } from './ledger-audit/ledger-audit.module.js';
import { LicensesModule } from './licenses/licenses.module.js';
import { OidcModule } from './oidc/oidc.module.js';
import type { Clock } from './platform/clock.js';
import type { Logger } from './platform/logging.js';
import { PlatformModule } from './platform/platform.module.js';
import type { SealedColumn } from './sealing/sealed-columns.js';
import type { ServiceConfig } from './platform/service-config.js';
import { ProbesModule } from './probes/probes.module.js';
import { SchedulerModule } from './scheduler/scheduler.module.js';
import { SelfIssuedTokensModule } from './self-issued-tokens/self-issued-tokens.module.js';
import { SEALED_SIGNING_KEYS } from './signing-keys/signing-key.repository.js';
import { SigningKeysModule } from './signing-keys/signing-keys.module.js';
import { SyncModule } from './sync/sync.module.js';
import { TokenIssuanceModule } from './token-issuance/token-issuance.module.js';
import { TokenRevocationModule } from './token-revocation/token-revocation.module.js';

export interface Foundations {
  readonly config: ServiceConfig;
  readonly dataSource: DataSourceOptions;
  readonly catalog: LoadedCatalog;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Every column that is sealed again after the key-encryption key has changed. */
const ALL_SEALED_COLUMNS: readonly SealedColumn[] = [
  SEALED_SIGNING_KEYS,
  SEALED_LICENSE_KEYS,
  SEALED_CANCELLATION_KEYS,
  SEALED_AUXILIARY_KEYS,
  SEALED_AUXILIARY_KIDS,
];

/** Knows the module of every room. */
@Module({})
export class AppModule {
  static on(foundations: Foundations): DynamicModule {
    return {
      module: AppModule,
      imports: [...useCases(foundations), OidcModule, SyncModule, ProbesModule, SchedulerModule],
    };
  }

  /** Only the use cases, for an operator's command: no endpoints and no scheduled jobs. */
  static forCommands(foundations: Foundations): DynamicModule {
    return { module: AppModule, imports: useCases(foundations) };
  }
}

function useCases({ config, dataSource, catalog, clock, logger }: Foundations) {
  return [
    PlatformModule.with(config, logger, clock),
    DatabaseModule,
    SealingModule.with(config, ALL_SEALED_COLUMNS),
    HttpModule,
    // `bringUp` connects, because it can wait for a database that is away.
    TypeOrmModule.forRoot({ ...dataSource, manualInitialization: true }),
    CatalogModule.with(catalog),
    AccessControlModule,
    LicensesModule,
    AddOnPurchasesModule,
    InstancesModule,
    AuxiliaryKeysModule,
    LedgerModule,
    SigningKeysModule,
    EntitlementsModule,
    ActivationModule,
    TokenIssuanceModule,
    SelfIssuedTokensModule,
    InstanceHealthModule,
    TokenRevocationModule,
    LedgerAuditModule,
  ];
}
