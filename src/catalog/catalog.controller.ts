import { Get } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { AdminApi } from '../access-control/admin-api.js';
import type { CatalogDocument } from '../domain/catalog-document.js';
import { CatalogStore } from './catalog.service.js';

@AdminApi('catalog')
export class CatalogController {
  constructor(private readonly catalog: CatalogStore) {}

  @Get('catalog')
  @ApiOperation({ summary: 'Read the catalog in force as instances see it, with its digest' })
  read(): CatalogDocument & { readonly digest: string } {
    return { digest: this.catalog.current().digest, ...this.catalog.document() };
  }

  @Get('catalog/unit_primitives')
  @ApiOperation({ summary: 'List the unit primitives of the catalog in force' })
  listUnitPrimitives(): { readonly items: CatalogDocument['unit_primitives'] } {
    return { items: this.catalog.document().unit_primitives };
  }
}
