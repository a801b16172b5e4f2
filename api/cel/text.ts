/** Texts by code points, as CEL counts them. */

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text that these bytes are in UTF-8; undefined: they are none. */
export function bytesToText(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The code points of a text. */
export const runes = (text: string): string[] => Array.from(text);
