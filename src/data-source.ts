import type { DataSourceOptions } from 'typeorm';
import { CreateLicenses1764000000000 } from '../migrations/1764000000000-create-licenses.js';
import { CreateAddOnPurchases1764000001000 } from '../migrations/1764000001000-create-add-on-purchases.js';
import { CreateApiTokens1764000002000 } from '../migrations/1764000002000-create-api-tokens.js';
import { CreateInstances1764000003000 } from '../migrations/1764000003000-create-instances.js';
import { CreateSigningKeys1764000004000 } from '../migrations/1764000004000-create-signing-keys.js';
import { CreateIssuedTokens1764000005000 } from '../migrations/1764000005000-create-issued-tokens.js';
import { PlanSigningKeys1764100000000 } from '../migrations/1764100000000-plan-signing-keys.js';
import { RecordKeySetFetches1764100001000 } from '../migrations/1764100001000-record-key-set-fetches.js';
import { ChainIssuedTokens1764100002000 } from '../migrations/1764100002000-chain-issued-tokens.js';
import { CreateAuxiliaryKeys1764100003000 } from '../migrations/1764100003000-create-auxiliary-keys.js';
import { CreateServiceTokenRevocations1764100004000 } from '../migrations/1764100004000-create-service-token-revocations.js';
import { CheckIssuedTokens1764100004100 } from '../migrations/1764100004100-check-issued-tokens.js';
import { CreateStatusIndices1764100004500 } from '../migrations/1764100004500-create-status-indices.js';
import { CreateLedgerCheckpoints1764100005000 } from '../migrations/1764100005000-create-ledger-checkpoints.js';
import { DateHistories1764100005100 } from '../migrations/1764100005100-date-histories.js';
import { DropOldDays1764100005200 } from '../migrations/1764100005200-drop-old-days.js';
import { SweepInstances1764100006000 } from '../migrations/1764100006000-sweep-instances.js';
import { AttachLedgerDays1764100007000 } from '../migrations/1764100007000-attach-ledger-days.js';
import { SignDroppedDays1764150000000 } from '../migrations/1764150000000-sign-dropped-days.js';
import { CreateActivationCodes1764200000000 } from '../migrations/1764200000000-create-activation-codes.js';
import { RecordSeatLinks1764200001000 } from '../migrations/1764200001000-record-seat-links.js';
import { CreateNamespaces1764300000000 } from '../migrations/1764300000000-create-namespaces.js';
import { CreateSeatAssignments1764300001000 } from '../migrations/1764300001000-create-seat-assignments.js';
import { RecordSelfIssuedTokens1764300002000 } from '../migrations/1764300002000-record-self-issued-tokens.js';
import { ValidateLedgerOwners1764300003000 } from '../migrations/1764300003000-validate-ledger-owners.js';
import { RevokeSelfIssuedTokens1764300004000 } from '../migrations/1764300004000-revoke-self-issued-tokens.js';
import { ReplaceLicenseKeys1764400000000 } from '../migrations/1764400000000-replace-license-keys.js';
import { RecordInstanceSightings1764400001000 } from '../migrations/1764400001000-record-instance-sightings.js';
import { TrackLateReplicas1764400006000 } from '../migrations/1764400006000-track-late-replicas.js';
import { ApiTokenEntity } from './access-control/api-token.entity.js';
import { AddOnPurchaseEntity } from './add-on-purchases/add-on-purchase.entity.js';
import { NamespaceEntity } from './add-on-purchases/namespace.entity.js';
import { AuxiliaryKeyEntity } from './auxiliary-keys/auxiliary-key.entity.js';
import { InstanceEntity } from './instances/instance.entity.js';
import { LicenseEntity } from './licenses/license.entity.js';
import { adminPoolSize, poolOptions } from './database/database.js';
import type { ServiceConfig } from './platform/service-config.js';
import { SigningKeyEntity } from './signing-keys/signing-key.entity.js';
import { ServiceTokenRevocationEntity } from './token-revocation/service-token-revocation.entity.js';

type DatabaseConfig = Pick<ServiceConfig, 'databaseUrl' | 'databasePoolSize' | 'databaseTimeoutMs'>;

const MIGRATIONS = [
  CreateLicenses1764000000000,
  CreateAddOnPurchases1764000001000,
  CreateApiTokens1764000002000,
  CreateInstances1764000003000,
  CreateSigningKeys1764000004000,
  CreateIssuedTokens1764000005000,
  PlanSigningKeys1764100000000,
  RecordKeySetFetches1764100001000,
  ChainIssuedTokens1764100002000,
  CreateAuxiliaryKeys1764100003000,
  CreateServiceTokenRevocations1764100004000,
  CheckIssuedTokens1764100004100,
  CreateStatusIndices1764100004500,
  CreateLedgerCheckpoints1764100005000,
  DateHistories1764100005100,
  DropOldDays1764100005200,
  SweepInstances1764100006000,
  AttachLedgerDays1764100007000,
  SignDroppedDays1764150000000,
  CreateActivationCodes1764200000000,
  RecordSeatLinks1764200001000,
  CreateNamespaces1764300000000,
  CreateSeatAssignments1764300001000,
  RecordSelfIssuedTokens1764300002000,
  ValidateLedgerOwners1764300003000,
  RevokeSelfIssuedTokens1764300004000,
  ReplaceLicenseKeys1764400000000,
  RecordInstanceSightings1764400001000,
  TrackLateReplicas1764400006000,
] as const;

/** Every table that has an entity, and every migration in order. Without a URL until one is known. */
export function dataSourceOptions(config: DatabaseConfig): DataSourceOptions {
  return {
    type: 'postgres',
    ...(config.databaseUrl === null ? {} : { url: config.databaseUrl }),
    poolSize: adminPoolSize(config.databasePoolSize),
    extra: poolOptions(config.databaseTimeoutMs),
    poolErrorHandler: () => undefined,
    logging: false,
    // The migrations do; TypeORM would try on every connect, before and beside them.
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
