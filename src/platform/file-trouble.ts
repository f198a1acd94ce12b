import { codeOf } from './code-of.js';

/**
 * Why a file cannot be read or written, and what to do about it, as part of a sentence. Null for an error
 * that is not about files and disks.
 */
export function fileTrouble(error: unknown, folder: string): string | null {
  const path = pathOf(error) ?? folder;
  switch (codeOf(error)) {
    case 'ENOSPC':
      return noSpaceLeft(folder);
    case 'EDQUOT':
      return `the disk quota is used up: free space in ${folder}, or raise the quota`;
    case 'EROFS':
      return `the file system is read-only: mount ${folder} so that it can be written`;
    case 'EACCES':
    case 'EPERM':
      return `permission denied: let ${processUser()} read and write ${path}`;
    case 'EIO':
      return `the disk under ${path} fails (EIO): look at the kernel's log`;
    case 'EMFILE':
    case 'ENFILE':
      return 'too many open files: raise the limit (ulimit -n)';
    default:
      return null;
  }
}

export function noSpaceLeft(folder: string): string {
  return `no space left on device: free space in ${folder}`;
}

function processUser(): string {
  return `the user that the service runs as (uid ${process.getuid?.() ?? 'unknown'})`;
}

function pathOf(error: unknown): string | null {
  const path: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'path') : null;
  return typeof path === 'string' ? path : null;
}
