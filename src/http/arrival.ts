import type { IncomingMessage } from 'node:http';

const arrivals = new WeakMap<IncomingMessage, number>();

/** Notes that a request has arrived, before it may have to wait for its turn. */
export function noteArrival(request: IncomingMessage): void {
  arrivals.set(request, performance.now());
}

/** How long ago it arrived; 0 where nobody has noted it. */
export function millisecondsSinceArrival(request: IncomingMessage): number {
  const at = arrivals.get(request);
  return at === undefined ? 0 : performance.now() - at;
}
