import type { Catalog } from './catalog.js';
import { MAX_PAYLOAD_BYTES } from './lint-service-token-claims.js';

/** What the claims beside `scopes` and `aud` take, a place in a status list among them. */
const OTHER_CLAIMS_BYTES = 700;

/**
 * What an operator should know of a catalog whose scopes do not all fit into one token: whoever holds
 * every add-on gets none. Null when they fit.
 */
export function tooLargeForATokenWarning({
  unitPrimitives,
  backendServices,
}: Catalog): string | null {
  const scopes = unitPrimitives.filter((primitive) => primitive.backendServices.length > 0);
  const bytes =
    Buffer.byteLength(JSON.stringify(scopes.map(({ name }) => name))) +
    Buffer.byteLength(JSON.stringify(backendServices.map(({ jwtAud }) => jwtAud)));
  const room = MAX_PAYLOAD_BYTES - OTHER_CLAIMS_BYTES;
  if (bytes <= room) return null;
  return (
    `all scopes and audiences together take ${bytes} bytes of the ${room} that a token has room for ` +
    'in a header: the syncs of an instance that is granted them all will fail'
  );
}
