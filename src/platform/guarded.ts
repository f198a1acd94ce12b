import type { Logger } from './logging.js';

/**
 * A listener or a callback of a timer for which nobody waits. An exception in it, or the rejection of
 * what it returns, would end the process; here it is logged with its cause, and only this call is lost.
 * @param of what the listener is for, as the log names it
 */
export function guarded<Args extends readonly unknown[]>(
  logger: Pick<Logger, 'error'>,
  of: string,
  listener: (...args: Args) => unknown,
): (...args: Args) => void {
  const failed = (error: unknown) => {
    logger.error({ error, listener: of }, 'a listener failed; the service goes on');
  };
  return (...args) => {
    try {
      const result = listener(...args);
      if (result instanceof Promise) result.catch(failed);
    } catch (error) {
      failed(error);
    }
  };
}
