"""The program around the windows: started once, in the tray, ended in order."""
