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
  // A terminal that was closed takes no lines; the service still has to stop in order.
  stdout.on('error', () => undefined);
  return process.stdout.isTTY
    ? pino(options, pretty({ ignore: 'pid,hostname', singleLine: true, destination: stdout }))
    : pino(options, stdout);
}

/**
 * What a log may say of an error: its name, message and stack. Database errors carry their statement
 * and its parameters as members: those stay out.
 */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const { name, message, stack } = error;
  const code: unknown = Reflect.get(error, 'code');
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  return { name, message, stack, ...(typeof code === 'string' ? { code } : {}), ...cause };
}

/** Lets Nest write through the same logger; its start-up chatter is for debugging. */
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
