import type { Logger } from './logging.js';

/**
 * Wraps a listener or a callback of a timer. Otherwise an exception in it, or a rejection of its promise,
 * would end the process. Here it is logged, and only this call is lost.
 * @param of the name of the listener in the log
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
