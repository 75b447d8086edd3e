"""From the sources of videos to listed, checked and decodable files."""
