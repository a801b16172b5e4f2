/**
 * `/logs/`: the node's log folder, as Go's file server shows it. Containers can write below it, so links are not followed and only regular
 * files are read.
 *
 * Source: upstream `pkg/kubelet/server/server.go` (InstallSystemLogHandler), Go's `net/http` (FileServer).
 */
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import { Folder, hasCode, WrongFileTypeError } from '#agent/host/safe-open.ts';

/** How many entries of a folder are shown. */
const maxEntries = 10_000;

type Found = { kind: 'sent' } | { kind: 'missing' };

/** Answers with a file, or with the list of a folder. @param path the request's path after `/logs`, decoded, with its slashes */
export async function sendNodeLogs(root: string, path: string, request: Request, response: Response): Promise<void> {
  try {
    const found = await send(root, path, request, response);
    if (found.kind === 'sent') return;
  } catch (error) {
    if (!(error instanceof WrongFileTypeError) && !hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG')) throw error;
  }
  response.status(404).type('text').send('404 page not found\n');
}

async function send(root: string, path: string, request: Request, response: Response): Promise<Found> {
  const steps = path.split('/').filter((step) => step !== '');
  if (steps.some((step) => step === '.' || step === '..' || step.includes('\0'))) return { kind: 'missing' };
  const last = steps.at(-1);
  let folder = await Folder.open(root);
  try {
    for (const step of steps.slice(0, -1)) {
      const next = await folder.folder(step);
      await folder[Symbol.asyncDispose]();
      folder = next;
    }
    const isFolder = last === undefined || (await folder.look(last))?.isDirectory() === true;
    if (!isFolder && last !== undefined) return await sendFile(folder, last, request, response);
    if (!path.endsWith('/')) {
      response
        .status(301)
        .set('location', `${last === undefined ? 'logs' : encodeURIComponent(last)}/`)
        .end();
      return { kind: 'sent' };
    }
    if (last !== undefined) {
      const next = await folder.folder(last);
      await folder[Symbol.asyncDispose]();
      folder = next;
    }
    response
      .status(200)
      .set('content-type', 'text/html; charset=utf-8')
      .send(await listing(folder));
    return { kind: 'sent' };
  } finally {
    await folder[Symbol.asyncDispose]();
  }
}

async function sendFile(folder: Folder, name: string, request: Request, response: Response): Promise<Found> {
  const file = await folder.openFile(name);
  // The stream closes the file when it ends.
  const { size } = await file.stat();
  response.status(200).set({ 'content-type': 'text/plain; charset=utf-8', 'content-length': String(size) });
  if (request.method === 'HEAD' || size === 0) {
    await file.close();
    response.end();
    return { kind: 'sent' };
  }
  // Sends exactly the announced length: lines that are appended meanwhile are left out, and a truncated file ends the connection.
  await pipeline(file.createReadStream({ start: 0, end: size - 1 }), response).catch((error: unknown) => {
    if (!response.destroyed) throw error;
  });
  return { kind: 'sent' };
}

async function listing(folder: Folder): Promise<string> {
  const entries = await folder.list(maxEntries);
  const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort();
  const line = (name: string): string => {
    const isFolder = name.endsWith('/');
    const href = encodeURIComponent(isFolder ? name.slice(0, -1) : name) + (isFolder ? '/' : '');
    return `<a href="${href}">${escapeHtml(name)}</a>\n`;
  };
  return `<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n${names.map(line).join('')}</pre>\n`;
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (char) => escapes[char] ?? char);
