const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** True for the text form of RFC 9562 section 4, in any version and variant. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
