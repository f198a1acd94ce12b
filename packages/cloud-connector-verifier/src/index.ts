export type { BackendUser, PermissionOptions } from './backend-user.js';
export type { ServiceTokenClaims } from './claims.js';
export type { Clock } from './clock.js';
export type { TrustedIssuer } from './discovery.js';
export type { Fetch } from './environment-proxy.js';
export type { VerifierEvent } from './issuer-sources.js';
export type { RefusalCode, Refused } from './refusal.js';
export type { RequestHeaders } from './request-headers.js';
export {
  type Accepted,
  createVerifier,
  type IssuerState,
  type Verdict,
  type Verifier,
} from './verifier.js';
export type { VerifierOptions } from './verifier-options.js';
export {
  type Admission,
  admit,
  type GuardOptions,
  type RefusalLogger,
  userOf,
} from './admission.js';
export { expressGuard } from './express.js';
export { fastifyGuard } from './fastify.js';
