export type JsonObject = Readonly<Record<string, unknown>>;

/** The value, if it is an object and not an array; else null. */
export function asObject(value: unknown): JsonObject | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : null;
}

export function asText(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

export function asTexts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

export function asObjects(value: unknown): readonly JsonObject[] {
  const all: unknown[] = Array.isArray(value) ? value : [];
  return all.map(asObject).filter((one) => one !== null);
}
