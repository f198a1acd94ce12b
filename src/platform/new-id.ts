import { randomBytes } from 'node:crypto';
import { uuidV7 } from '../domain/uuid-v7.js';

/** A fresh UUID of version 7: ids sort in the order of creation. */
export function newId(now: Date): string {
  return uuidV7(now, randomBytes(10));
}
