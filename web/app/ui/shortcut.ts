/** Whether a key is the browser's or the system's, Ctrl and minus for instance, and not for what has the focus. */
export const isShortcut = ({ ctrlKey, metaKey, altKey }: KeyboardEvent): boolean => ctrlKey || metaKey || altKey;
