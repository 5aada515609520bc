"""The recording proxy: it stands between an agent, in any language, and its model servers, and notes what passes."""
