import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Matches } from 'class-validator';
import { MayBeAbsent } from '../http/validators.js';
import type { LedgerCheckpoint } from './ledger-checkpoint.repository.js';

export class ListCheckpointsQuery {
  @ApiPropertyOptional({ description: 'Items a page, 1 to 100', default: 20 })
  @MayBeAbsent()
  @Matches(/^([1-9]\d?|100)$/, { message: 'must be a whole number from 1 to 100' })
  per_page?: string;

  @ApiPropertyOptional({ description: 'The `next_cursor` of the page before' })
  @MayBeAbsent()
  @Matches(/^\d{1,15}$/, { message: 'must be the next_cursor of an earlier answer' })
  cursor?: string;
}

/** A checkpoint of the ledger as the admin API shows it. */
export class LedgerCheckpointView {
  @ApiProperty() number!: number;
  @ApiProperty({ type: String, nullable: true, description: 'Hexadecimal' })
  previous_hash!: string | null;
  @ApiProperty({ description: 'SHA-256 of `signed`, hexadecimal' }) hash!: string;
  @ApiProperty({ description: 'Batches that it covers' }) batches!: number;
  @ApiProperty({ description: 'Tokens in these batches' }) tokens!: number;
  @ApiProperty({ description: 'A compact JWS, typ ledger-checkpoint+jwt' }) signed!: string;
  @ApiProperty({ type: Date }) created_at!: Date;
}

export function ledgerCheckpointView(checkpoint: LedgerCheckpoint): LedgerCheckpointView {
  const { number, previousHash, hash, batches, tokens, signed, createdAt } = checkpoint;
  return {
    number,
    previous_hash: previousHash,
    hash,
    batches,
    tokens,
    signed,
    created_at: createdAt,
  };
}

export class LedgerCheckpointPage {
  @ApiProperty({ type: [LedgerCheckpointView] }) items!: LedgerCheckpointView[];
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}
