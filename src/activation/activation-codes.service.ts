import { Injectable } from '@nestjs/common';
import { parseUtcInstant } from '../domain/utc-instant.js';
import { LicenseRepository } from '../licenses/license.repository.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { newId } from '../platform/new-id.js';
import { type Page, pageOf, type PageRequest } from '../database/page.js';
import { activationCodeDigest, generateActivationCode } from './activation-code.js';
import type { CreateActivationCodeBody } from './activation-code.dto.js';
import { type ActivationCode, ActivationCodeRepository } from './activation-code.repository.js';

/** The admin's use cases on activation codes. */
@Injectable()
export class ActivationCodesService {
  constructor(
    private readonly database: Database,
    private readonly licenses: LicenseRepository,
    private readonly codes: ActivationCodeRepository,
    private readonly clock: Clock,
  ) {}

  /** @returns also the code itself, which is not stored and cannot be shown again */
  async create(
    licenseId: string,
    body: CreateActivationCodeBody,
  ): Promise<{ readonly kept: ActivationCode; readonly code: string }> {
    const now = this.clock.now();
    return this.database.transaction(async (manager) => {
      const license = await this.licenses.get(manager, licenseId);
      if (license.kind === 'legacy') {
        throw new IssuerError(
          'LICENSE_NOT_CLOUD',
          'A legacy license cannot be activated with a code: send its key to the customer.',
        );
      }
      const code = generateActivationCode();
      const kept = await this.codes.insert(manager, {
        id: newId(now),
        licenseId,
        digest: activationCodeDigest(code),
        maxUses: body.max_uses ?? 1,
        expiresAt: futureInstant(body.expires_at ?? null, now),
        createdAt: now,
      });
      return { kept, code };
    });
  }

  async get(id: string): Promise<ActivationCode> {
    return this.codes.get(this.database.manager, id);
  }

  /** @param usable whether another instance could use them now; null: all codes */
  async list(
    licenseId: string,
    usable: boolean | null,
    page: PageRequest,
  ): Promise<Page<ActivationCode>> {
    const { manager } = this.database;
    await this.licenses.get(manager, licenseId);
    const now = this.clock.now();
    return pageOf(await this.codes.list(manager, licenseId, usable, page, now), page);
  }

  /** Instances that have used it keep their license. Twice does nothing. */
  async revoke(id: string): Promise<ActivationCode> {
    const now = this.clock.now();
    return this.database.transaction((manager) => this.codes.revoke(manager, id, now));
  }
}

/** @throws {IssuerError} VALIDATION_FAILED for an instant that is past */
export function futureInstant(text: string | null, now: Date): Date | null {
  const instant = text === null ? null : parseUtcInstant(text);
  if (instant === null || instant > now) return instant;
  throw new IssuerError(
    'VALIDATION_FAILED',
    'The code would have expired already: choose a later instant.',
    {
      errors: [{ pointer: '#/expires_at', detail: 'must lie in the future' }],
    },
  );
}
