/** Strings as CEL sees them, in code points. */

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Decodes UTF-8; undefined for invalid bytes. */
export function bytesToText(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The code points of a text. */
export const runes = (text: string): string[] => Array.from(text);
