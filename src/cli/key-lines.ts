import type { KeyOutage } from '../domain/plan-key-revocation.js';
import type { PlannedKeyRevocation } from '../signing-keys/revoke-signing-key.js';
import type { Timeline, TimelineKey } from '../signing-keys/key-timeline.js';
import type { Replica, ReplicasBehind } from '../signing-keys/replica.repository.js';
import type { AffectedInstance, BlastRadius } from '../signing-keys/key-blast-radius.js';
import type { WithdrawnSigningKey } from '../signing-keys/withdraw-signing-key.js';

/** The timeline as a terminal shows it: a key a paragraph, what is over first. */
export function timelineLines({ keys, replicas }: Timeline): string[] {
  return [...keys.flatMap((key) => keyLines(key)), `${replicas} replica(s) alive`];
}

function keyLines({ row, planned, maySignFrom, ...key }: TimelineKey): string[] {
  const instants: readonly (readonly [string, Date | null])[] = [
    ['published', row.publishedAt],
    ['signs from', row.signsFrom],
    ['retired', row.retiredAt],
    ['revoked', row.revokedAt],
    ['forgotten', row.unpublishedAt],
    ['may sign from', maySignFrom],
    ['will sign from', planned.signsFrom],
    ['will be retired', planned.retiredAt],
    ['tokens expire by', row.tokensExpireBy],
    ['will be forgotten', planned.unpublishedAt],
    ['trusted until', key.trustedUntil],
  ];
  return [
    `${row.kid}  ${row.unpublishedAt === null ? row.phase : 'forgotten'}`,
    ...instants.flatMap(([what, at]) => (at ? [`  ${what.padEnd(18)}${at.toISOString()}`] : [])),
    ...(row.revokedBy === null
      ? []
      : [`  ${'revoked by'.padEnd(18)}${row.revokedBy}: ${row.revocationReason ?? 'no reason'}`]),
    `  signs on ${key.signingReplicas}, published by ${key.publishingReplicas} replica(s)`,
    ...behindLines(
      row.unpublishedAt === null ? '  does not publish it' : '  may still publish it',
      key.notAcknowledgedBy,
    ),
  ];
}

/** The processes of the service as a terminal shows them. */
export function replicaLine(replica: Replica, alive: boolean): string {
  const { id, startedAt, publishes } = replica;
  return (
    `${id}  ${alive ? 'alive ' : 'silent'}  ${placeOf(replica)}  started ${startedAt.toISOString()}, ` +
    `publishes ${publishes.length} key(s)`
  );
}

function behindLines(what: string, { total, named }: ReplicasBehind): string[] {
  const more = total - named.length;
  return [
    ...named.map((replica) => `${what}: ${replica.id}  ${placeOf(replica)}`),
    ...(more > 0 ? [`${what}: ${more} more replica(s)`] : []),
  ];
}

function placeOf({ hostName, processId, seenAt }: Replica): string {
  const seen = `heard of at ${seenAt.toISOString()}`;
  return `on ${hostName ?? 'an unknown host'}, process ${processId ?? '-'}, ${seen}`;
}

const STILL_PUBLISHED =
  'it is still published, for taking it out of the key set failed: revoke it again, or wait for the service';

/** What a revocation did, or would do, and whom it hits. */
export function revocationLines(dryRun: boolean, withdrawn: WithdrawnSigningKey): string[] {
  const { revocation, radius, trust } = withdrawn;
  const done = [
    ...planLines(dryRun ? 'would be' : 'was', revocation),
    ...(revocation.stillPublished ? [STILL_PUBLISHED] : []),
    ...(trust
      ? behindLines('may go on publishing it', trust.notAcknowledgedBy)
      : ['who publishes it was not read: look at the list of the keys']),
  ];
  if (radius === null) return [...done, 'whom it hits was not counted: ask again with --dry-run'];
  const until = radius.lastExpiresAt
    ? `, the last until ${radius.lastExpiresAt.toISOString()}`
    : '';
  return [
    ...done,
    `${radius.liveTokens} live token(s)${ownOf(radius)} on ${radius.instances} instance(s)${until}`,
    ...radius.affected.map(affectedLine),
    'restart every validator, or drop its cached keys: until then it may trust the key, ' +
      trustedLine(trust?.trustedUntil ?? null),
  ];
}

function trustedLine(until: Date | null): string {
  if (until !== null) return `${until.toISOString()} at the longest`;
  return (
    'and nobody can tell for how long, while a replica may publish it: let each of those above reach ' +
    'the database, stop it, or strike it out if it has ended'
  );
}

function ownOf({ selfIssuedTokens }: BlastRadius): string {
  return selfIssuedTokens === 0 ? '' : `, ${selfIssuedTokens} of them self-issued,`;
}

function planLines(verb: string, { key, plan }: PlannedKeyRevocation): string[] {
  switch (plan.outcome) {
    case 'nothing':
      return [`${key.kid} was revoked or forgotten before: there is nothing to do`];
    case 'no-standby':
      return ['no key stands by: one is published first, and is too young to sign'];
    case 'refused':
      return [
        `refused until ${plan.allowedFrom.toISOString()}: validators may not know the standby`,
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

function outageLine({ standbyPublishedAt, until }: KeyOutage): string {
  return (
    `validators that fetched the keys before ${standbyPublishedAt.toISOString()} refuse every new ` +
    `token until ${until.toISOString()}, or until they are restarted`
  );
}

function affectedLine(instance: AffectedInstance): string {
  const { instanceId, hostName, liveTokens, lastExpiresAt } = instance;
  return `  ${instanceId}  ${hostName ?? '-'}  ${liveTokens} token(s) until ${lastExpiresAt.toISOString()}`;
}
