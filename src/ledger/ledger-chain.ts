import { createHash } from 'node:crypto';
import { newId } from '../platform/new-id.js';

/** What the hash of a batch covers: every column of a row that never changes. */
export interface ChainedToken {
  readonly jti: string;
  readonly licenseId: string | null;
  readonly instanceRowId: string | null;
  readonly kid: string;
  readonly scopeSetDigest: Buffer;
  readonly catalogDigest: Buffer;
  readonly gitlabVersion: string | null;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly claimsDigest: Buffer;
  readonly statusIndex: number | null;
  /** The request for a self-issued token as JSON; null for the token of an instance. */
  readonly selfIssued: string | null;
}

/** The rows of one flush, as a link of the chain. */
export interface LedgerBatch {
  readonly chainId: string;
  readonly number: number;
  readonly previousHash: Buffer;
  readonly hash: Buffer;
  readonly tokens: number;
  readonly firstJti: string;
  readonly lastJti: string;
  readonly policyDigest: Buffer;
}

/**
 * The chain of one process: each batch is hashed with the hash of the batch before. Every process has
 * its own chain, so no writer waits for another. Checkpoints tie the chains together.
 */
export class LedgerChain {
  private head: { readonly id: string; number: number; hash: Buffer } | null = null;

  /** The batch that `tokens` would make. `advance` makes it part of the chain. */
  next(tokens: readonly ChainedToken[], policyDigest: Buffer, now: Date): LedgerBatch {
    this.head ??= openChain(now);
    const jtis = tokens.map(({ jti }) => jti).sort();
    const [firstJti, lastJti] = [jtis[0], jtis.at(-1)];
    if (firstJti === undefined || lastJti === undefined) throw new Error('a batch needs a token');
    return {
      chainId: this.head.id,
      number: this.head.number,
      previousHash: this.head.hash,
      hash: batchHash(this.head.hash, policyDigest, tokens),
      tokens: tokens.length,
      firstJti,
      lastJti,
      policyDigest,
    };
  }

  /** To be called when the batch is in the database. */
  advance(batch: LedgerBatch): void {
    this.head = { id: batch.chainId, number: batch.number + 1, hash: batch.hash };
  }

  /** To be called when nobody knows whether the last batch was written: the next batch begins a new chain. */
  abandon(): void {
    this.head = null;
  }
}

/** The `previousHash` of the first batch of a chain. */
export function genesisHash(chainId: string): Buffer {
  return createHash('sha256').update(chainId).digest();
}

/**
 * SHA-256 over the hash before, the digest of the policy, and a line of JSON for each token in the
 * order of their `jti`. Instants are ISO 8601 in UTC with milliseconds, digests are hexadecimal.
 */
export function batchHash(
  previousHash: Buffer,
  policyDigest: Buffer,
  tokens: readonly ChainedToken[],
): Buffer {
  const hash = createHash('sha256').update(previousHash).update(policyDigest);
  for (const token of [...tokens].sort((a, b) => (a.jti < b.jti ? -1 : 1)))
    hash.update(line(token));
  return hash.digest();
}

function line(token: ChainedToken): string {
  const members = [
    token.jti,
    token.licenseId,
    token.instanceRowId,
    token.kid,
    token.scopeSetDigest.toString('hex'),
    token.catalogDigest.toString('hex'),
    token.gitlabVersion,
    token.issuedAt.toISOString(),
    token.expiresAt.toISOString(),
    token.claimsDigest.toString('hex'),
    token.statusIndex,
    token.selfIssued,
  ];
  return `${JSON.stringify(members)}\n`;
}

function openChain(now: Date): { id: string; number: number; hash: Buffer } {
  const id = newId(now);
  return { id, number: 0, hash: genesisHash(id) };
}
