import { Injectable } from '@nestjs/common';
import type { NamespacePurchase, SelfIssuedSubject } from '../domain/resolve-self-issued-scopes.js';
import { Database } from '../database/database.js';
import { preparedStatement } from '../database/prepared-statements.js';

const PURCHASE = `p.id, p.add_on AS "addOn", p.quantity, p.started_at AS "startedAt",
  p.expires_on AS "expiresOn", p.voided_at AS "voidedAt", n.plan`;

// Seats of licenses do not count: their instances know users of their own under the same ids.
const SEATS = preparedStatement(
  'seats_of_user',
  `
    SELECT ${PURCHASE} FROM seat_assignments s
    JOIN add_on_purchases p ON p.id = s.add_on_purchase_id
    JOIN namespaces n ON n.id = p.namespace_id
    WHERE s.user_id = $1 AND s.released_at IS NULL AND ($2::text IS NULL OR n.id = $2)`,
);

const PURCHASES = preparedStatement(
  'purchases_of_namespace',
  `
    SELECT ${PURCHASE} FROM namespaces n
    LEFT JOIN add_on_purchases p ON p.namespace_id = n.id WHERE n.id = $1`,
);

interface NamespaceRow extends Omit<NamespacePurchase, 'id'> {
  /** Null for a namespace without a purchase. */
  readonly id: string | null;
}

/** What counts for a user or a namespace of the platform, past and future purchases too. */
@Injectable()
export class SelfIssuedSubjectRepository {
  constructor(private readonly database: Database) {}

  /** @param namespaceId only the seats of its purchases; null: of all */
  async user(userId: string, namespaceId: string | null = null): Promise<SelfIssuedSubject> {
    const { prepared } = this.database;
    const purchases = await prepared.run<NamespacePurchase>(SEATS, [userId, namespaceId]);
    return { kind: 'user', purchases };
  }

  async namespace(id: string): Promise<SelfIssuedSubject> {
    const rows = await this.database.prepared.run<NamespaceRow>(PURCHASES, [id]);
    const purchases = rows.flatMap((row) => (row.id === null ? [] : [{ ...row, id: row.id }]));
    return { kind: 'namespace', plan: rows[0]?.plan ?? null, purchases };
  }
}
