import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';

/** `/api/openapi.json`, and `/api/docs` to read and try it in a browser. */
export function serveOpenapi(app: INestApplication): void {
  const description = new DocumentBuilder()
    .setTitle('cloud-connector-issuer')
    .setDescription('Licenses, add-on purchases and the scopes that they unlock.')
    .setVersion('1')
    // Not `addBearerAuth`, which says JWT whatever it is given: an API token is opaque.
    .addSecurity('bearer', { type: 'http', scheme: 'bearer' })
    .build();
  // Made before anybody can ask: made for the first request, it would keep all others waiting 0.1 s.
  const document = SwaggerModule.createDocument(app, description);
  SwaggerModule.setup('api/docs', app, document, {
    jsonDocumentUrl: 'api/openapi.json',
    customSiteTitle: 'cloud-connector-issuer',
  });
}
