import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { projectRoot } from '../platform/project-root.js';

/** The documentation of errors, to which the `type` of each problem leads. */
@ApiExcludeController()
@Controller('docs')
export class ErrorDocsController {
  private page: Promise<string> | null = null;

  @Get('errors')
  @Header('content-type', 'text/html; charset=utf-8')
  read(): Promise<string> {
    this.page ??= readErrorDocs().catch((error: unknown) => {
      // The next request tries again.
      this.page = null;
      throw error;
    });
    return this.page;
  }
}

async function readErrorDocs(): Promise<string> {
  return errorDocsPage(await readFile(join(projectRoot(), 'docs', 'errors.md'), 'utf8'));
}

/** The Markdown as text in a page, with an anchor at the heading of each code. */
export function errorDocsPage(markdown: string): string {
  const text = markdown.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const anchored = text.replaceAll(
    /^### ([A-Z_]+)$/gm,
    (_heading, code: string) => `<b id="${code.toLowerCase()}">${code}</b>`,
  );
  return `<!doctype html><html lang="en"><title>Errors</title><pre>${anchored}</pre></html>`;
}
