import { LineCounter, parseDocument, visit } from 'yaml';

export interface YamlReading {
  readonly document: unknown;
  /** `(line 3)` and what is wrong there; empty if the document could be read. */
  readonly faults: readonly { readonly field: string; readonly reason: string }[];
  readonly warnings: readonly string[];
}

// A few aliases do no harm; many of them can fill the memory.
const MAX_ALIASES = 10;

/**
 * Reads one YAML document. Numbers and dates stay texts, as they are written: no field of a catalog is a
 * number, and the version 16.10 as a number would be 16.1.
 */
export function readYaml(text: string): YamlReading {
  const lines = new LineCounter();
  const parsed = parseDocument(text, {
    schema: 'core',
    strict: true,
    uniqueKeys: true,
    stringKeys: true,
    prettyErrors: false,
    lineCounter: lines,
  });
  const warnings = parsed.warnings.map(({ message }) => message);
  if (parsed.errors.length > 0) {
    const faults = parsed.errors.map(({ pos, message }) => ({
      field: `(line ${lines.linePos(pos[0]).line})`,
      reason: message,
    }));
    return { document: undefined, faults, warnings };
  }

  visit(parsed, {
    Scalar: (_key, scalar) => {
      const { value, source } = scalar;
      const isPlain = value === null || typeof value === 'string' || typeof value === 'boolean';
      if (!isPlain && source !== undefined) scalar.value = source;
    },
  });
  try {
    const document: unknown = parsed.toJS({ maxAliasCount: MAX_ALIASES });
    return { document, faults: [], warnings };
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'cannot be resolved';
    return { document: undefined, faults: [{ field: '(aliases)', reason }], warnings };
  }
}
