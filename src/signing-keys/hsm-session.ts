import type { ServiceConfig } from '../platform/service-config.js';
import { CKF, CKM, CKU_USER, type Cryptoki, type Handle, loadCryptoki } from './hsm-binding.js';
import { HsmError } from './hsm-error.js';

/** A session does one operation at a time, and libuv has four threads that can wait for one. */
const SESSIONS = 4;

const ALREADY = new Set(['CKR_USER_ALREADY_LOGGED_IN', 'CKR_CRYPTOKI_ALREADY_INITIALIZED']);
/** Another attempt with a wrong PIN could lock the HSM. */
const PIN_REFUSED = /^CKR_PIN_/;
/** The session or a handle may be outdated: a fresh session shows whether the HSM works. */
const STALE = new Set([
  'CKR_SESSION_HANDLE_INVALID',
  'CKR_SESSION_CLOSED',
  'CKR_USER_NOT_LOGGED_IN',
  'CKR_OBJECT_HANDLE_INVALID',
  'CKR_KEY_HANDLE_INVALID',
  'CKR_DEVICE_ERROR',
  'CKR_DEVICE_REMOVED',
  'CKR_TOKEN_NOT_PRESENT',
  'CKR_SLOT_ID_INVALID',
  'CKR_GENERAL_ERROR',
]);

export interface HsmSession {
  readonly cryptoki: Cryptoki;
  readonly handle: Handle;
  readonly signsWith: typeof CKM.SHA256_RSA_PKCS | typeof CKM.RSA_PKCS;
  /** Handles of private keys as this session knows them, by kid. */
  readonly keys: Map<string, Handle>;
}

/**
 * An HSM and a few sessions with it, opened on first use. A session that died, for example because the
 * HSM was unplugged, is replaced, and its work is repeated once.
 */
export class Hsm {
  private cryptoki: Cryptoki | null = null;
  /** Whether this object initialised the library, and so must finalise it. */
  private initialised = false;
  private refusal: HsmError | null = null;
  private closed = false;
  private busy = 0;
  private readonly idle: HsmSession[] = [];
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly config: NonNullable<ServiceConfig['pkcs11']>) {}

  /** @throws {HsmError} */
  async withSession<Result>(work: (session: HsmSession) => Promise<Result>): Promise<Result> {
    if (this.busy >= SESSIONS) await new Promise<void>((go) => this.waiting.push(go));
    else this.busy += 1;
    try {
      return await this.attempt(work).catch((error: unknown) => {
        if (!STALE.has(returnedBy(error))) throw error;
        for (const session of this.idle.splice(0)) discard(session);
        return this.attempt(work);
      });
    } catch (error) {
      if (error instanceof HsmError) throw error;
      const returned = returnedBy(error);
      if (returned === '') throw error;
      throw new HsmError('the HSM refused', returned);
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.busy -= 1;
    }
  }

  /** Waits for the operations that are running, then finalises the library. */
  async close(): Promise<void> {
    this.closed = true;
    while (this.busy > 0) await new Promise((turn) => setTimeout(turn, 10));
    for (const session of this.idle.splice(0)) discard(session);
    this.finalise();
  }

  private async attempt<Result>(work: (session: HsmSession) => Promise<Result>): Promise<Result> {
    const session = this.idle.pop() ?? this.open();
    try {
      const result = await work(session);
      this.idle.push(session);
      return result;
    } catch (error) {
      // It may be in the middle of an operation.
      discard(session);
      throw error;
    }
  }

  private open(): HsmSession {
    if (this.refusal) throw this.refusal;
    if (this.closed) throw new HsmError('the HSM was closed at the shutdown');
    const cryptoki = (this.cryptoki ??= this.initialise());
    // Search every time: an HSM that was unplugged may come back in another slot.
    const slot = this.slotOrFinalise(cryptoki);
    const handle = cryptoki.C_OpenSession(slot, CKF.SERIAL_SESSION | CKF.RW_SESSION);
    this.login(cryptoki, handle);
    const hashes = cryptoki.C_GetMechanismList(slot).includes(CKM.SHA256_RSA_PKCS);
    const signsWith = hashes ? CKM.SHA256_RSA_PKCS : CKM.RSA_PKCS;
    return { cryptoki, handle, signsWith, keys: new Map() };
  }

  private initialise(): Cryptoki {
    const cryptoki = loadCryptoki(this.config.module);
    try {
      cryptoki.C_Initialize({ flags: CKF.OS_LOCKING_OK });
      this.initialised = true;
    } catch (error) {
      if (!ALREADY.has(returnedBy(error))) throw error;
    }
    return cryptoki;
  }

  private finalise(): void {
    const { cryptoki } = this;
    this.cryptoki = null;
    if (this.initialised) cryptoki?.C_Finalize();
    this.initialised = false;
  }

  /** Some libraries search for HSMs only when they are initialised, so the next attempt initialises again. */
  private slotOrFinalise(cryptoki: Cryptoki): Handle {
    try {
      return this.slot(cryptoki);
    } catch (error) {
      const isOnlyUser = this.busy === 1 && this.idle.length === 0;
      if (isOnlyUser) this.finalise();
      throw error;
    }
  }

  private slot(cryptoki: Cryptoki): Handle {
    const { tokenLabel } = this.config;
    const slots = cryptoki
      .C_GetSlotList(true)
      .filter((slot) => cryptoki.C_GetTokenInfo(slot).label.trimEnd() === tokenLabel);
    const [slot, another] = slots;
    if (slot && !another) return slot;
    throw new HsmError(
      `PKCS11_TOKEN_LABEL: ${slot ? 'more than one HSM is' : 'no HSM is'} labelled "${tokenLabel}"`,
    );
  }

  /** One login is valid for all sessions of the process. */
  private login(cryptoki: Cryptoki, session: Handle): void {
    try {
      cryptoki.C_Login(session, CKU_USER, this.config.pin);
    } catch (error) {
      const returned = returnedBy(error);
      if (ALREADY.has(returned)) return;
      if (!PIN_REFUSED.test(returned)) throw error;
      this.refusal = new HsmError('PKCS11_PIN: the HSM refused this PIN', returned);
      throw this.refusal;
    }
  }
}

/** The code that the HSM returned; empty for any other error. */
function returnedBy(error: unknown): string {
  if (error instanceof HsmError) return error.returned ?? '';
  const returned = error instanceof Error ? /^CKR_\w+/.exec(error.message)?.[0] : undefined;
  return returned ?? '';
}

function discard({ cryptoki, handle }: HsmSession): void {
  try {
    cryptoki.C_CloseSession(handle);
  } catch {
    // It closed when the HSM was unplugged.
  }
}
