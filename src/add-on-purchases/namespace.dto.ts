import { Injectable, type PipeTransform } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { IssuerError } from '../platform/issuer-error.js';
import { IsText, isText } from '../http/validators.js';
import type { NamespaceEntity } from './namespace.entity.js';

export class UpdateNamespaceBody {
  @ApiProperty({ description: "One of the catalog's license types", example: 'ultimate' })
  @IsText()
  plan!: string;
}

export class NamespaceView {
  @ApiProperty({ description: "The platform's own id" }) id!: string;
  @ApiProperty() plan!: string;
  @ApiProperty({ type: Date }) created_at!: Date;
  @ApiProperty({ type: Date }) updated_at!: Date;
}

export function namespaceView(namespace: NamespaceEntity): NamespaceView {
  return {
    id: namespace.id,
    plan: namespace.plan,
    created_at: namespace.createdAt,
    updated_at: namespace.updatedAt,
  };
}

/** The id of a namespace in a path: the platform's own id, any text. */
@Injectable()
export class NamespaceParam implements PipeTransform<string, string> {
  transform(value: string): string {
    if (isText(value)) return value;
    throw new IssuerError('NOT_FOUND', 'There is no namespace with this id.');
  }
}
