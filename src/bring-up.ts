import type { INestApplicationContext } from '@nestjs/common';
import type { DataSourceOptions } from 'typeorm';
import { ApiTokens } from './access-control/api-tokens.js';
import { AuxiliaryKeys } from './auxiliary-keys/auxiliary-keys.service.js';
import { RotateAuxiliaryKeys } from './auxiliary-keys/rotate-auxiliary-keys.js';
import { Clock } from './platform/clock.js';
import { Database } from './database/database.js';
import type { DatabaseAccess } from './database/database-access.js';
import { guarded } from './platform/guarded.js';
import { LOGGER, type Logger } from './platform/logging.js';
import { migrate } from './database/migrate.js';
import { Notifications } from './database/notifications.js';
import { MissingNames } from './entitlements/missing-names.js';
import { Sealing, UnsealError } from './sealing/sealing.js';
import { Readiness } from './probes/readiness.js';
import { blockersAt } from './database/migration-locks.js';
import { namingTheDatabase } from './database/refused-database.js';
import { reportingWaits } from './platform/report-waits.js';
import { StartRefusedError } from './platform/start-refused.js';
import { HsmRefusedError } from './start-obstacle.js';
import { JobRunner } from './scheduler/job-runner.js';
import { RewrapSealedValues } from './sealing/rewrap-sealed-values.js';
import { ClockWatch } from './signing-keys/clock-watch.js';
import { RotateSigningKeys } from './signing-keys/rotate-signing-keys.js';
import { SigningKeyRepository } from './signing-keys/signing-key.repository.js';
import { HsmError } from './signing-keys/hsm-error.js';
import { SigningKeys } from './signing-keys/signing-keys.service.js';
import { IssuanceSnapshots } from './ledger/issuance-snapshots.js';
import { IssuanceLedger } from './ledger/issuance-ledger.js';

/**
 * Takes the service from "the process runs" to "tokens can be issued". Every step may be repeated, so a
 * start simply runs it again after the database was away.
 * @throws {StartRefusedError} when repeating it would not help
 */
export async function bringUp(
  app: INestApplicationContext,
  dataSource: DataSourceOptions,
  access: DatabaseAccess,
): Promise<void> {
  const database = app.get(Database);
  const logger = app.get<Logger>(LOGGER);
  const step = <Result>(name: string, work: () => Promise<Result>) =>
    reportingWaits(logger, name, work, () => blockersAt(access.directUrl));

  const setting = access.directUrl === access.url ? 'DATABASE_URL' : 'DATABASE_DIRECT_URL';
  const migrating = () => migrate(dataSource, { url: access.directUrl, setting, logger });
  await step('the migrations', () => namingTheDatabase(setting, migrating));
  const connecting = () => database.connect(access.url);
  await step('a connection', () => namingTheDatabase('DATABASE_URL', connecting));
  const sample = await app.get(SigningKeyRepository).sealedSample(database.manager);
  await refusingWrongSecrets(() => {
    app.get(Sealing).useKey(access.keyEncryptionKey, sample);
  });
  app.get(Readiness).markSchemaCurrent();
  // The listener may be open already, so everything that a token needs must exist before a key can sign.
  await step('the snapshots of catalog and policy', () =>
    app.get(IssuanceSnapshots).recordCurrent(),
  );
  const now = app.get(Clock).now();
  await step("the ledger's days", () => app.get(IssuanceLedger).createPartitionsAhead(now));
  await step('the keys', () => refusingWrongSecrets(() => bringUpKeys(app)));
  const token = access.bootstrapAdminToken;
  await step('the API token', () =>
    database.transaction((manager) => app.get(ApiTokens).setBootstrapToken(manager, token)),
  );
  listen(app, database, access.directUrl);
  runInBackground(app, 're-wrap sealed values', () => app.get(RewrapSealedValues).run());
  runInBackground(app, 'find names that are missing from the catalog', () =>
    app.get(MissingNames).refresh(),
  );
}

/** For what may take a while and is not needed by syncs. */
function runInBackground(
  app: INestApplicationContext,
  name: string,
  run: () => Promise<unknown>,
): void {
  guarded(app.get<Logger>(LOGGER), name, () => app.get(JobRunner).run({ name, run }))();
}

function listen(app: INestApplicationContext, database: Database, directUrl: string): void {
  const notifications = app.get(Notifications);
  notifications.start(directUrl);
  database.outcomes.serverChange.onChange(() => {
    notifications.probeNow();
  });
}

/** Takes every step of a key's life that came due meanwhile, but only if the keys can be opened. */
async function bringUpKeys(app: INestApplicationContext): Promise<void> {
  await app.get(ClockWatch).look();
  await app.get(RotateSigningKeys).carryOutDue();
  await app.get(SigningKeys).refresh();
  await app.get(Readiness).proveSignature();
  await app.get(RotateAuxiliaryKeys).carryOutDue();
  await app.get(AuxiliaryKeys).refresh();
}

async function refusingWrongSecrets(work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof HsmError) {
      throw new HsmRefusedError(`The signing keys cannot be used: ${error.message}.`);
    }
    if (!(error instanceof UnsealError)) throw error;
    throw new StartRefusedError(
      `KEY_ENCRYPTION_KEY does not open what is in this database: ${error.message}. ` +
        'Start with the key that sealed it, or with that one as KEY_ENCRYPTION_KEY_PREVIOUS.',
      { cause: error },
    );
  }
}
