import { StartRefusedError } from '../platform/start-refused.js';

/**
 * The database does not let the service in, or is not as the service needs it. An operator can correct
 * that in the database, so a service that already publishes keys goes on trying.
 */
export class DatabaseClosedError extends StartRefusedError {}
