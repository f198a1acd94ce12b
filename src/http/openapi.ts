import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';

/** `/api/openapi.json`, and `/api/docs` to read and try it in a browser. */
export function serveOpenapi(app: INestApplication): void {
  const description = new DocumentBuilder()
    .setTitle('cloud-connector-issuer')
    .setDescription('Licenses, add-on purchases and the scopes that they unlock.')
    .setVersion('1')
    // Not `addBearerAuth`, which always says JWT: an API token is opaque.
    .addSecurity('bearer', { type: 'http', scheme: 'bearer' })
    .build();
  // Made before the first request, because making it blocks the process for 0.1 s.
  const document = SwaggerModule.createDocument(app, description);
  SwaggerModule.setup('api/docs', app, document, {
    jsonDocumentUrl: 'api/openapi.json',
    customSiteTitle: 'cloud-connector-issuer',
  });
}
