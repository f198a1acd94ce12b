import { createHash, randomInt } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const LENGTH = 24;

/** 24 random letters and digits, the form in which instances know activation codes: 142 bits. */
export function generateActivationCode(): string {
  return Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

/** SHA-256 of the code without the white space around it: what is stored and looked up. */
export function activationCodeDigest(code: string): Buffer {
  return createHash('sha256').update(code.trim()).digest();
}
