import { Injectable } from '@nestjs/common';
import type { NamespacePurchase, SelfIssuedSubject } from '../domain/resolve-self-issued-scopes.js';
import { Database } from '../database/database.js';
import { preparedStatement, type PreparedStatement } from '../database/prepared-statements.js';

const PURCHASE = `p.id, p.add_on AS "addOn", p.quantity, p.started_at AS "startedAt",
  p.expires_on AS "expiresOn", p.voided_at AS "voidedAt", n.plan`;

// Only purchases of namespaces: the instances of licenses have users of their own with the same ids.
const SEATS = preparedStatement(
  'seats_of_user',
  `
    SELECT ${PURCHASE} FROM seat_assignments s
    JOIN add_on_purchases p ON p.id = s.add_on_purchase_id
    JOIN namespaces n ON n.id = p.namespace_id
    WHERE s.user_id = $1 AND s.released_at IS NULL AND ($2::text IS NULL OR n.id = $2)`,
);

const WITHOUT_SEAT = preparedStatement(
  'purchases_without_seat',
  `
    SELECT ${PURCHASE} FROM add_on_purchases p JOIN namespaces n ON n.id = p.namespace_id
    WHERE n.id IN (
      SELECT seated.namespace_id FROM seat_assignments s
      JOIN add_on_purchases seated ON seated.id = s.add_on_purchase_id
      WHERE s.user_id = $1 AND s.released_at IS NULL
        AND ($2::text IS NULL OR seated.namespace_id = $2))
    AND NOT EXISTS (
      SELECT FROM seat_assignments s
      WHERE s.add_on_purchase_id = p.id AND s.user_id = $1 AND s.released_at IS NULL)`,
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

/** The purchases that count for a user or a namespace, past and future ones included. */
@Injectable()
export class SelfIssuedSubjectRepository {
  constructor(private readonly database: Database) {}

  /** For a token, whose scopes depend on the seats alone. */
  async user(userId: string): Promise<SelfIssuedSubject> {
    return { kind: 'user', purchases: await this.purchasesOf(SEATS, userId), withoutSeat: [] };
  }

  /** For an explanation. @param namespaceId only its purchases count; null: those of all namespaces */
  async explainedUser(userId: string, namespaceId: string | null): Promise<SelfIssuedSubject> {
    const [purchases, withoutSeat] = await Promise.all([
      this.purchasesOf(SEATS, userId, namespaceId),
      this.purchasesOf(WITHOUT_SEAT, userId, namespaceId),
    ]);
    return { kind: 'user', purchases, withoutSeat };
  }

  async namespace(id: string): Promise<SelfIssuedSubject> {
    const rows = await this.database.prepared.run<NamespaceRow>(PURCHASES, [id]);
    const purchases = rows.flatMap((row) => (row.id === null ? [] : [{ ...row, id: row.id }]));
    return { kind: 'namespace', plan: rows[0]?.plan ?? null, purchases };
  }

  private async purchasesOf(
    statement: PreparedStatement,
    userId: string,
    namespaceId: string | null = null,
  ): Promise<NamespacePurchase[]> {
    return this.database.prepared.run<NamespacePurchase>(statement, [userId, namespaceId]);
  }
}
