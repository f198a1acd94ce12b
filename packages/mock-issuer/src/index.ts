export type { CorpusEntry, Expectation } from './corpus-entry.js';
export { CORPUS } from './corpus.js';
export { FAULTS, type Fault, type FaultyDocument } from './faults.js';
export type { Fetched, MintedToken } from './mock-issuer.js';
export type { MockIssuerOptions } from './mock-issuer-options.js';
export type { PrivateJwk } from './mock-key.js';
export { type MockIssuer, startMockIssuer } from './start-mock-issuer.js';
export type { TokenWishes } from './token-claims.js';
