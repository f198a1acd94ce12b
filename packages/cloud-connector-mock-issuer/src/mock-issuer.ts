import { AuxiliaryKey } from './auxiliary-key.js';
import { corpusEntry } from './corpus.js';
import type { CorpusEntry, Mint } from './corpus-entry.js';
import type { Fault, FaultyDocument } from './faults.js';
import { KeyRing } from './key-ring.js';
import { MockKey, type PrivateJwk, type PublicJwk } from './mock-key.js';
import type { MockIssuerSettings } from './mock-issuer-options.js';
import { signedStatusList } from './status-list.js';
import { clientHeaders, goodClaims, type TokenWishes } from './token-claims.js';

/** A token of the corpus, made now. */
export interface MintedToken {
  readonly entry: CorpusEntry;
  /** What stands behind `Bearer `; not always a token. */
  readonly token: string;
  /** The headers that a client sends with it, but for `Authorization`. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What is wrong at the moment, and where. */
export interface Mode {
  readonly fault: Fault;
  readonly document: FaultyDocument;
  /** How late the answer of `slow` is. */
  readonly seconds: number;
}

export type Fetched = FaultyDocument | 'auxiliary_keys' | 'attacker';

/** The issuer without its HTTP: keys, tokens, and what is wrong with them at the moment. */
export class IssuerState {
  mode: Mode = { fault: 'normal', document: 'keys', seconds: 0 };
  /** How often each document was asked for. */
  readonly fetches: Record<Fetched, number> = {
    keys: 0,
    discovery: 0,
    status: 0,
    auxiliary_keys: 0,
    attacker: 0,
  };

  private constructor(
    private readonly settings: MockIssuerSettings,
    /** Where tokens say that they come from. */
    readonly issuer: string,
    readonly ring: KeyRing,
    readonly auxiliary: AuxiliaryKey,
    private readonly stranger: MockKey,
  ) {}

  static async start(settings: MockIssuerSettings, issuer: string): Promise<IssuerState> {
    const ring = await KeyRing.start(settings, settings.now, settings.privateKeys);
    const stranger = await MockKey.generate();
    return new IssuerState(settings, issuer, ring, await AuxiliaryKey.generate(), stranger);
  }

  get attackerUrl(): string {
    return `${this.issuer}/attacker/keys`;
  }

  get strangersKey(): PublicJwk {
    return this.stranger.publicJwk;
  }

  statusList(): string {
    const { now, tokenTtlSeconds } = this.settings;
    return signedStatusList(this.issuer, this.auxiliary, now(), tokenTtlSeconds);
  }

  privateKeys(): Promise<PrivateJwk[]> {
    return this.ring.kept();
  }

  /** @returns null when the corpus has no such name */
  async mint(name: string, wished: Partial<TokenWishes> = {}): Promise<MintedToken | null> {
    const entry = corpusEntry(name);
    if (entry === null) return null;
    const wishes = { ...this.settings.wishes, ...wished };
    const mint = await this.ingredients(wishes);
    return { entry, token: entry.mint(mint), headers: clientHeaders(wishes) };
  }

  private async ingredients(wishes: TokenWishes): Promise<Mint> {
    const now = this.settings.now();
    const policy = { issuer: this.issuer, ttlSeconds: this.settings.tokenTtlSeconds };
    return {
      now,
      claims: goodClaims(wishes, policy, now),
      keys: {
        signing: await this.ring.signing(),
        previous: await this.ring.previous(),
        unpublished: await this.ring.unpublished(),
        stranger: this.stranger,
        auxiliary: this.auxiliary,
      },
      issuer: this.issuer,
      attackerUrl: this.attackerUrl,
      unitPrimitive: this.settings.unitPrimitive,
    };
  }
}
