/**
 * SQL: true when the tokens of this license or instance are revoked and not restored yet, else null. A
 * partial unique index allows one such revocation at most, and finds it.
 * @param id SQL for the id of the license or of the instance's row
 */
export function tokensRevoked(column: 'license_id' | 'instance_id', id: string): string {
  return `(SELECT true FROM service_token_revocations r
           WHERE r.${column} = ${id} AND r.restored_at IS NULL)`;
}
