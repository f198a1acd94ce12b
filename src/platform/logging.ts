import type { LoggerService } from '@nestjs/common';
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import pretty from 'pino-pretty';
import type { AppConfig } from '../../config/app-config.js';

export type { Logger } from 'pino';

/** The injection token of the logger. */
export const LOGGER = Symbol('Logger');

/** JSON lines to `destination`, by default stdout; readable ones when stdout is a terminal. */
export function createLogger(
  level: AppConfig['logLevel'],
  destination?: DestinationStream,
): Logger {
  const options: LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: describeError },
  };
  if (destination) return pino(options, destination);
  const stdout = pino.destination({ fd: 1, sync: true });
  // Writing to a closed terminal fails. The service must still stop in order.
  stdout.on('error', () => undefined);
  return process.stdout.isTTY
    ? pino(options, pretty({ ignore: 'pid,hostname', singleLine: true, destination: stdout }))
    : pino(options, stdout);
}

/**
 * The loggable parts of an error: name, message and stack. Other members stay out, because database errors
 * have their statement and its parameters there.
 */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const { name, message, stack } = error;
  const code: unknown = Reflect.get(error, 'code');
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  return { name, message, stack, ...(typeof code === 'string' ? { code } : {}), ...cause };
}

/** Lets Nest use the same logger. Its messages at the start are for debugging. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, context?: string): void {
    this.logger.debug({ context }, String(message));
  }

  warn(message: unknown, context?: string): void {
    this.logger.warn({ context }, String(message));
  }

  error(message: unknown, _stack?: string, context?: string): void {
    this.logger.error({ context }, String(message));
  }
}
