import type { KeyOutage } from '../domain/plan-key-revocation.js';
import type { PlannedKeyRevocation } from '../signing-keys/carry-out-key-revocation.js';
import type { Timeline, TimelineKey } from '../signing-keys/key-timeline.js';
import type { Replica, NotAcknowledgedBy } from '../signing-keys/replica.repository.js';
import type { AffectedInstance, RevocationImpact } from '../signing-keys/key-revocation-impact.js';
import type { SigningKeyRevocation } from '../signing-keys/revoke-signing-key.js';

/** The keys for a terminal, one paragraph each. */
export function timelineLines({ keys, replicas }: Timeline): string[] {
  return [...keys.flatMap((key) => keyLines(key)), `${replicas} live replica(s)`];
}

/** Of the longest label, and two spaces. */
const LABEL_WIDTH = 21;

function keyLines({ row, planned, maySignFrom, ...key }: TimelineKey): string[] {
  const instants: readonly (readonly [string, Date | null])[] = [
    ['published', row.publishedAt],
    ['signs from', row.signsFrom],
    ['retired', row.retiredAt],
    ['revoked', row.revokedAt],
    ['unpublished', row.unpublishedAt],
    ['may sign from', maySignFrom],
    ['will sign from', planned.signsFrom],
    ['will be retired', planned.retiredAt],
    ['tokens expire by', row.tokensExpireBy],
    ['will be unpublished', planned.unpublishedAt],
    ['trusted until', key.trustedUntil],
  ];
  return [
    `${row.kid}  ${row.unpublishedAt === null ? row.phase : 'unpublished'}`,
    ...instants.flatMap(([what, at]) =>
      at ? [`  ${what.padEnd(LABEL_WIDTH)}${at.toISOString()}`] : [],
    ),
    ...(row.revokedBy === null
      ? []
      : [
          `  ${'revoked by'.padEnd(LABEL_WIDTH)}${row.revokedBy}: ${row.revocationReason ?? 'no reason'}`,
        ]),
    `  signs on ${key.signingReplicas}, published by ${key.publishingReplicas} replica(s)`,
    ...replicaLines(
      row.unpublishedAt === null ? '  does not publish it' : '  may still publish it',
      key.notAcknowledgedBy,
    ),
  ];
}

/** A process of the service for a terminal. */
export function replicaLine(replica: Replica, alive: boolean): string {
  const { id, startedAt, publishes } = replica;
  return (
    `${id}  ${alive ? 'alive ' : 'silent'}  ${placeOf(replica)}  started ${startedAt.toISOString()}, ` +
    `publishes ${publishes.length} key(s)`
  );
}

function replicaLines(what: string, { total, named }: NotAcknowledgedBy): string[] {
  const more = total - named.length;
  return [
    ...named.map((replica) => `${what}: ${replica.id}  ${placeOf(replica)}`),
    ...(more > 0 ? [`${what}: ${more} more replica(s)`] : []),
  ];
}

function placeOf({ hostName, processId, seenAt }: Replica): string {
  const seen = `seen at ${seenAt.toISOString()}`;
  return `on ${hostName ?? 'an unknown host'}, process ${processId ?? '-'}, ${seen}`;
}

const STILL_PUBLISHED =
  'it could not be unpublished yet: revoke it again, or wait for the service to retry';

/** What a revocation did or would do, and its impact. */
export function revocationLines(dryRun: boolean, revocation: SigningKeyRevocation): string[] {
  const { impact, trust } = revocation;
  const done = [
    ...planLines(dryRun ? 'would be' : 'was', revocation),
    ...(revocation.stillPublished ? [STILL_PUBLISHED] : []),
    ...(trust
      ? replicaLines('may still publish it', trust.notAcknowledgedBy)
      : ['the replicas that publish it could not be read: use the command list']),
  ];
  if (impact === null) return [...done, 'the impact was not counted: try again with --dry-run'];
  const until = impact.lastExpiresAt
    ? `, the last until ${impact.lastExpiresAt.toISOString()}`
    : '';
  return [
    ...done,
    `${impact.liveTokens} live token(s)${ownOf(impact)} on ${impact.instances} instance(s)${until}`,
    ...impact.affected.map(affectedLine),
    'restart every validator, or clear its cached keys: until then it may trust the key, ' +
      trustedLine(trust?.trustedUntil ?? null),
  ];
}

function trustedLine(until: Date | null): string {
  if (until !== null) return `until ${until.toISOString()} at the latest`;
  return (
    'as long as one of the replicas above may publish it: reconnect each of them to the database, stop it, ' +
    'or remove it if it has ended'
  );
}

function ownOf({ selfIssuedTokens }: RevocationImpact): string {
  return selfIssuedTokens === 0 ? '' : `, ${selfIssuedTokens} of them self-issued,`;
}

function planLines(verb: string, { key, plan }: PlannedKeyRevocation): string[] {
  switch (plan.outcome) {
    case 'nothing':
      return [`${key.kid} is revoked or unpublished already: there is nothing to do`];
    case 'no_next_key':
      return [
        'there is no next key: the service publishes one first, which is then too young to sign',
      ];
    case 'refused':
      return [
        `refused until ${plan.allowedFrom.toISOString()}: validators may not know the next key`,
        `with --accept-outage: ${outageLine(plan.outage)}`,
      ];
    case 'revoke':
      return [
        `${key.kid} (${key.phase}) ${verb} revoked`,
        ...(plan.switchTo === null ? [] : [`${plan.switchTo} takes over`]),
        ...(plan.outage === null ? [] : [outageLine(plan.outage)]),
      ];
  }
}

function outageLine({ nextPublishedAt, until }: KeyOutage): string {
  return (
    `validators that fetched the keys before ${nextPublishedAt.toISOString()} refuse every new ` +
    `token until ${until.toISOString()}, or until they are restarted`
  );
}

function affectedLine(instance: AffectedInstance): string {
  const { instanceUuid, hostName, liveTokens, lastExpiresAt } = instance;
  return `  ${instanceUuid}  ${hostName ?? '-'}  ${liveTokens} token(s) until ${lastExpiresAt.toISOString()}`;
}
