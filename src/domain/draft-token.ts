import { selfIssuedTokenFaults, serviceTokenFaults } from './lint-service-token-claims.js';
import { type SelfIssuedTokenFacts, selfIssuedTokenClaims } from './self-issued-token-claims.js';
import {
  type ServiceTokenFacts,
  serviceTokenClaims,
  type TokenIdentity,
} from './service-token-claims.js';

/** A token before its signature. */
export interface TokenDraft extends TokenIdentity {
  readonly expiresAt: Date;
  /** The claims as JSON, as they are signed. */
  readonly payload: Buffer;
  /** Each one is a bug of ours: claims with faults must not be signed. */
  readonly faults: readonly string[];
}

/** Makes the claims of a service token or a self-issued one, and lints them. */
export function draftToken(facts: ServiceTokenFacts | SelfIssuedTokenFacts): TokenDraft {
  const { jti, statusIndex, policy, now } = facts;
  const [claims, faultsOf] =
    'license' in facts
      ? [serviceTokenClaims(facts), serviceTokenFaults]
      : [selfIssuedTokenClaims(facts), selfIssuedTokenFaults];
  const payload = Buffer.from(JSON.stringify(claims));
  const expiresAt = new Date(claims.exp * 1000);
  const faults = faultsOf(claims, policy, now, payload.length);
  return { jti, statusIndex, expiresAt, payload, faults };
}
