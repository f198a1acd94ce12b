import type { Type } from '@nestjs/common';
import {
  RELEASE_SEATS_EVERY_MS,
  ReleaseAbandonedSeats,
} from '../add-on-purchases/release-abandoned-seats.js';
import { AuxiliaryKeys } from '../auxiliary-keys/auxiliary-keys.service.js';
import {
  ROTATE_AUXILIARY_KEYS_EVERY_MS,
  RotateAuxiliaryKeys,
} from '../auxiliary-keys/rotate-auxiliary-keys.js';
import { FIND_MISSING_NAMES_EVERY_MS, MissingNames } from '../entitlements/missing-names.js';
import { InstanceMetrics } from '../instance-health/instance-metrics.js';
import {
  SWEEP_CHANGED_EVERY_MS,
  SweepChangedInstances,
} from '../instance-health/sweep-changed-instances.js';
import { CHECK_SWEEP_EVERY_MS, SweepInstances } from '../instance-health/sweep-instances.js';
import {
  DELETE_OLD_SIGHTINGS_EVERY_MS,
  InstanceSightings,
  WRITE_SIGHTINGS_EVERY_MS,
} from '../instances/instance-sightings.js';
import { AUDIT_SAMPLE_EVERY_MS, LedgerAuditor } from '../ledger-audit/ledger-auditor.js';
import { LedgerFindings } from '../ledger-audit/ledger-findings.js';
import { CREATE_PARTITIONS_EVERY_MS, IssuanceLedger } from '../ledger/issuance-ledger.js';
import {
  LAST_CHECKPOINT_MS,
  LedgerCheckpoints,
  WRITE_CHECKPOINT_EVERY_MS,
} from '../ledger/ledger-checkpoints.js';
import { DROP_OLD_DAYS_EVERY_MS, LedgerRetention } from '../ledger/ledger-retention.js';
import {
  DROP_PREVIOUS_KEYS_EVERY_MS,
  DropPreviousLicenseKeys,
} from '../licenses/drop-previous-license-keys.js';
import { Clock } from '../platform/clock.js';
import { REWRAP_EVERY_MS, RewrapSealedValues } from '../sealing/rewrap-sealed-values.js';
import { Sealing } from '../sealing/sealing.js';
import { ERASE_HSM_KEYS_EVERY_MS, EraseHsmKeys } from '../signing-keys/erase-hsm-keys.js';
import { KEEP_SIGNING_KEYS_EVERY_MS, KeepSigningKeys } from '../signing-keys/keep-signing-keys.js';
import { KeySetFetches, WRITE_FETCHES_EVERY_MS } from '../signing-keys/key-set-fetches.js';

export interface Task {
  /** Names the job in the log when it fails. */
  readonly name: string;
  readonly run: () => Promise<unknown>;
}

export interface Job extends Task {
  readonly everyMs: number;
  /** Runs after the job in the same turn, even when the job failed. */
  readonly followedBy?: Task;
  /** Also run the job when the database notifies this channel. */
  readonly channel?: string;
  /** Run the job once more when the service stops, and wait this long for it. */
  readonly lastRunMs?: number;
}

/** Everything that the service does by itself. Any number of replicas may run a job at the same time. */
export function allJobs(of: <Service>(type: Type<Service>) => Service): readonly Job[] {
  return [...keyJobs(of), ...ledgerJobs(of), ...instanceJobs(of), ...recordJobs(of)];
}

const keyJobs: typeof allJobs = (of) => [
  {
    name: 'rotate signing keys',
    everyMs: KEEP_SIGNING_KEYS_EVERY_MS,
    run: () => of(KeepSigningKeys).rotate(),
    followedBy: { name: 'refresh signing keys', run: () => of(KeepSigningKeys).refresh() },
  },
  {
    name: 'rotate auxiliary keys',
    everyMs: ROTATE_AUXILIARY_KEYS_EVERY_MS,
    run: () => of(RotateAuxiliaryKeys).carryOutDue(),
    followedBy: { name: 'refresh auxiliary keys', run: () => of(AuxiliaryKeys).refresh() },
  },
  {
    name: 'erase signing keys on the HSM',
    everyMs: ERASE_HSM_KEYS_EVERY_MS,
    channel: 'signing_keys',
    run: () => of(EraseHsmKeys).run(),
  },
  {
    name: 'write fetches of the key set',
    everyMs: WRITE_FETCHES_EVERY_MS,
    run: () => of(KeySetFetches).flush(),
  },
];

const ledgerJobs: typeof allJobs = (of) => [
  {
    name: 'create ledger partitions',
    everyMs: CREATE_PARTITIONS_EVERY_MS,
    run: () => of(IssuanceLedger).createPartitionsAhead(of(Clock).now()),
  },
  {
    name: 'write ledger checkpoint',
    everyMs: WRITE_CHECKPOINT_EVERY_MS,
    lastRunMs: LAST_CHECKPOINT_MS,
    run: () => of(LedgerCheckpoints).write(),
  },
  {
    name: 'audit a sample of the ledger',
    everyMs: AUDIT_SAMPLE_EVERY_MS,
    run: () =>
      of(LedgerAuditor).sample((finding) => {
        of(LedgerFindings).report(finding);
      }),
  },
  {
    name: 'drop old days of the ledger',
    everyMs: DROP_OLD_DAYS_EVERY_MS,
    run: () => of(LedgerRetention).dropOldDays(),
  },
];

const instanceJobs: typeof allJobs = (of) => [
  {
    name: 'sweep changed instances',
    everyMs: SWEEP_CHANGED_EVERY_MS,
    run: async () => {
      await of(SweepChangedInstances).sweep();
      await of(InstanceMetrics).refresh();
    },
  },
  {
    name: 'sweep instances',
    everyMs: CHECK_SWEEP_EVERY_MS,
    run: () => of(SweepInstances).sweepIfDue(),
  },
  {
    name: 'write sightings of instances',
    everyMs: WRITE_SIGHTINGS_EVERY_MS,
    run: () => of(InstanceSightings).flush(),
  },
  {
    name: 'delete old sightings of instances',
    everyMs: DELETE_OLD_SIGHTINGS_EVERY_MS,
    run: () => of(InstanceSightings).forgetOld(),
  },
];

const recordJobs: typeof allJobs = (of) => [
  {
    name: 'drop previous license keys',
    everyMs: DROP_PREVIOUS_KEYS_EVERY_MS,
    run: () => of(DropPreviousLicenseKeys).run(),
  },
  {
    name: 'release abandoned seats',
    everyMs: RELEASE_SEATS_EVERY_MS,
    run: () => of(ReleaseAbandonedSeats).run(),
  },
  {
    name: 'find names that are missing from the catalog',
    everyMs: FIND_MISSING_NAMES_EVERY_MS,
    run: () => of(MissingNames).refresh(),
  },
  {
    name: 're-wrap sealed values',
    everyMs: REWRAP_EVERY_MS,
    // Repeatedly: a replica that still has the old key continues to seal with it.
    run: async () => {
      if (of(Sealing).previousHeader !== null) await of(RewrapSealedValues).run();
    },
  },
];
