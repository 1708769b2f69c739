const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** A raw event as text; bytes that are no UTF-8 become U+FFFD. */
export function payloadOf(raw: Uint8Array): string {
  return UTF8.decode(raw);
}
