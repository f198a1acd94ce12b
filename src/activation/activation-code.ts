import { createHash, randomInt } from 'node:crypto';
import { pastedText } from '../domain/pasted-text.js';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const LENGTH = 24;

/** 24 random letters and digits (142 bits), the form that instances expect. */
export function generateActivationCode(): string {
  return Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

/** SHA-256 of the trimmed code, which is stored and looked up. */
export function activationCodeDigest(code: string): Buffer {
  return createHash('sha256').update(pastedText(code)).digest();
}
