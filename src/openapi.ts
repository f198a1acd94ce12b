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
  SwaggerModule.setup('api/docs', app, () => SwaggerModule.createDocument(app, description), {
    jsonDocumentUrl: 'api/openapi.json',
    customSiteTitle: 'cloud-connector-issuer',
  });
}
