import type { Catalog } from './catalog.js';
import { MAX_PAYLOAD_BYTES } from './lint-service-token-claims.js';

/** The size of all claims but `scopes` and `aud`, with a place in a status list. */
const OTHER_CLAIMS_BYTES = 700;

/**
 * A warning for the operator when the scopes of a catalog do not all fit into one token: an instance
 * with every add-on would get no token. Null when they fit.
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
