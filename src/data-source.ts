import pg from 'pg';
import type { DataSourceOptions } from 'typeorm';
import { CreateLicenses1765000000000 } from '../migrations/1765000000000-create-licenses.js';
import { CreateAddOnPurchases1765000001000 } from '../migrations/1765000001000-create-add-on-purchases.js';
import { CreateApiTokens1765000002000 } from '../migrations/1765000002000-create-api-tokens.js';
import { CreateInstances1765000003000 } from '../migrations/1765000003000-create-instances.js';
import { CreateSigningKeys1765000004000 } from '../migrations/1765000004000-create-signing-keys.js';
import { CreateAuxiliaryKeys1765000005000 } from '../migrations/1765000005000-create-auxiliary-keys.js';
import { CreateServiceTokenRevocations1765000006000 } from '../migrations/1765000006000-create-service-token-revocations.js';
import { CreateLedger1765000007000 } from '../migrations/1765000007000-create-ledger.js';
import { CreateActivationCodes1765000008000 } from '../migrations/1765000008000-create-activation-codes.js';
import { AddLicenseRenewals1766100000000 } from '../migrations/1766100000000-add-license-renewals.js';
import { LetSeatsFollow1766100001000 } from '../migrations/1766100001000-let-seats-follow.js';
import { DropDaysWithoutTemporaryTables1766200000000 } from '../migrations/1766200000000-drop-days-without-temporary-tables.js';
import { RenameInstanceUuid1766300000000 } from '../migrations/1766300000000-rename-instance-uuid.js';
import { ApiTokenEntity } from './access-control/api-token.entity.js';
import { AddOnPurchaseEntity } from './add-on-purchases/add-on-purchase.entity.js';
import { NamespaceEntity } from './add-on-purchases/namespace.entity.js';
import { AuxiliaryKeyEntity } from './auxiliary-keys/auxiliary-key.entity.js';
import { InstanceEntity } from './instances/instance.entity.js';
import { LicenseEntity } from './licenses/license.entity.js';
import { adminPoolSize, poolOptions } from './database/database.js';
import { DatabasePool } from './database/pool.js';
import type { ServiceConfig } from './platform/service-config.js';
import { SigningKeyEntity } from './signing-keys/signing-key.entity.js';
import { ServiceTokenRevocationEntity } from './token-revocation/service-token-revocation.entity.js';

type DatabaseConfig = Pick<ServiceConfig, 'databaseUrl' | 'databasePoolSize' | 'databaseTimeoutMs'>;

const MIGRATIONS = [
  CreateLicenses1765000000000,
  CreateAddOnPurchases1765000001000,
  CreateApiTokens1765000002000,
  CreateInstances1765000003000,
  CreateSigningKeys1765000004000,
  CreateAuxiliaryKeys1765000005000,
  CreateServiceTokenRevocations1765000006000,
  CreateLedger1765000007000,
  CreateActivationCodes1765000008000,
  AddLicenseRenewals1766100000000,
  LetSeatsFollow1766100001000,
  DropDaysWithoutTemporaryTables1766200000000,
  RenameInstanceUuid1766300000000,
] as const;

/** Every entity, and every migration in order. The URL is missing until it is known. */
export function dataSourceOptions(config: DatabaseConfig): DataSourceOptions {
  return {
    type: 'postgres',
    ...(config.databaseUrl === null ? {} : { url: config.databaseUrl }),
    poolSize: adminPoolSize(config.databasePoolSize),
    extra: poolOptions(config.databaseTimeoutMs),
    driver: { ...pg, Pool: DatabasePool },
    poolErrorHandler: () => undefined,
    logging: false,
    // The migrations install them. TypeORM would try on every connect.
    installExtensions: false,
    entities: [
      ApiTokenEntity,
      AddOnPurchaseEntity,
      AuxiliaryKeyEntity,
      InstanceEntity,
      LicenseEntity,
      NamespaceEntity,
      ServiceTokenRevocationEntity,
      SigningKeyEntity,
    ],
    migrations: [...MIGRATIONS],
    migrationsTransactionMode: 'each',
  };
}
